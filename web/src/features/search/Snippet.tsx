/** The engine marks the matching words with U+0001 and U+0002; everything else is text as it came. */
export function Snippet({ text }: { text: string }) {
  const parts = text.replace(/[\r\n]+/gu, " ").split("\u0001");
  return parts.map((part, at) => {
    if (at === 0) return <span key={at}>{part}</span>;
    const [match, rest] = split(part);
    return (
      <span key={at}>
        <mark>{match}</mark>
        {rest}
      </span>
    );
  });
}

function split(part: string): [string, string] {
  const end = part.indexOf("\u0002");
  return end < 0 ? [part, ""] : [part.slice(0, end), part.slice(end + 1).replaceAll("\u0002", "")];
}
