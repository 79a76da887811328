import type { ReactNode } from "react";

interface Props {
  /** The picture of the fall: one per screen at most. */
  art?: boolean;
  title: ReactNode;
  children?: ReactNode;
  actions?: ReactNode;
}

export function EmptyState({ art = false, title, children, actions }: Props) {
  return (
    <div className="nothing">
      {art && <Fall />}
      <h2 className="h-lg">{title}</h2>
      {children !== undefined && <p>{children}</p>}
      {actions !== undefined && <div className="btns">{actions}</div>}
    </div>
  );
}

const BARS: readonly (readonly [x: number, y: number, height: number, opacity: number])[] = [
  [27, 28, 44, 1],
  [40, 33, 34, 0.86],
  [53, 38, 24, 0.7],
  [66, 42, 16, 0.54],
  [79, 45, 10, 0.4],
  [91, 47, 6, 0.28],
  [102, 47, 6, 0.18],
];

function Fall() {
  return (
    <svg className="art" width="132" height="100" viewBox="0 0 132 100" aria-hidden="true">
      <path className="paper" d="M1 33C1 15.327 15.327 1 33 1h66c17.673 0 32 14.327 32 32v34c0 17.673-14.327 32-32 32H9a8 8 0 0 1-8-8z" />
      {BARS.map(([x, y, height, opacity]) => (
        <rect key={x} x={x} y={y} width="6" height={height} rx="3" opacity={opacity} />
      ))}
    </svg>
  );
}
