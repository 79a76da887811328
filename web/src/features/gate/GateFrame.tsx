import type { ReactNode } from "react";
import { t } from "../../strings";
import { Mark } from "../../ui/Mark";
import "./gate.css";

interface GateFrameProps {
  story: { title: string; body: string };
  children: ReactNode;
}

/** A full screen: the story on one side, what is to be done on the other. */
export function GateFrame({ story, children }: GateFrameProps) {
  return (
    <div className="gate">
      <aside className="story" aria-label={t("gate.brand")}>
        <Hush />
        <div className="brand">
          <Mark size={32} />
          {t("gate.brand")}
        </div>
        <div>
          <p className="h-xl story-title">{story.title}</p>
          <p>{story.body}</p>
        </div>
      </aside>
      <main className="desk-card scroll">{children}</main>
    </div>
  );
}

export function SmallBrand() {
  return (
    <div className="brand-sm">
      <Mark size={28} />
      {t("gate.brand")}
    </div>
  );
}

/** A voice that falls silent: bar heights of the picture in the visual reference. */
const BARS = [
  222, 210, 247, 146, 206, 151, 130, 157, 90, 120, 91, 70, 86, 47, 58, 43, 29, 34, 17, 18, 12, 7, 7, 7, 7, 7,
] as const;

function Hush() {
  return (
    <svg className="hush" viewBox="0 0 600 880" preserveAspectRatio="xMinYMid slice" aria-hidden="true">
      {BARS.map((height, at) => (
        <rect
          key={at}
          x={40 + at * 20.4}
          y={430 - height / 2}
          width="7"
          height={height}
          rx="3.5"
          fill="#8fd0c1"
          opacity={0.6 - at * 0.02}
        />
      ))}
    </svg>
  );
}
