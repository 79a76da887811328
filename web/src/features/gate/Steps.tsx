import { t } from "../../strings";

const STEPS = ["gate.step.name", "gate.step.code", "gate.step.back"] as const;

/** Where one is on the way to a new account. */
export function Steps({ now }: { now: 0 | 1 | 2 }) {
  return (
    <ol className="steps" aria-label={t("gate.steps")}>
      {STEPS.map((step, at) => (
        <li key={step} className={at < now ? "done" : at === now ? "now" : undefined} aria-current={at === now ? "step" : undefined}>
          {t(step)}
        </li>
      ))}
    </ol>
  );
}
