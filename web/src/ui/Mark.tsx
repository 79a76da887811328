/** Four bars falling silent in a bubble whose lower left corner is tight. */
export function Mark({ size = 32 }: { size?: number }) {
  return (
    <svg className="mark" width={size} height={size} viewBox="0 0 32 32" role="img" aria-label="Sotto">
      <path className="tile" d="M2 12C2 6.477 6.477 2 12 2h8c5.523 0 10 4.477 10 10v8c0 5.523-4.477 10-10 10H5a3 3 0 0 1-3-3z" />
      <g className="bar" strokeWidth="2.6">
        <path d="M9.2 10.4v11.2M14 12.6v6.8M18.8 14.6v2.8M23.2 16v.01" />
      </g>
    </svg>
  );
}
