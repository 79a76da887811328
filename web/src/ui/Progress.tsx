import "./Progress.css";

interface ProgressProps {
  label: string;
  /** Nothing is known about the end while `total` is 0. */
  done: number;
  total: number;
}

export function Progress({ label, done, total }: ProgressProps) {
  const known = total > 0;
  const share = known ? Math.min(1, done / total) : 0;
  return (
    <div
      className={known ? "progress" : "progress unknown"}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={known ? Math.round(share * 100) : undefined}
    >
      <span style={known ? { inlineSize: `${share * 100}%` } : undefined} />
    </div>
  );
}
