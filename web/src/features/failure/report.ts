/** What a person may hand on when Sotto stops: the failure and the browser, nothing of theirs. */
export function report(text: string): string {
  return [
    `Sotto stopped: ${text}`,
    `At: ${new Date().toISOString()}`,
    `Page: ${location.origin}`,
    // The build writes a hash of what is in a script into its name.
    `Build: ${[...document.scripts].map((script) => script.src.replace(/^.*\//, "")).join(" ")}`,
    `Browser: ${navigator.userAgent}`,
  ].join("\n");
}
