/** The tab's icon, with a dot while something is unread. A data: URL of our own: allowed for images by the policy. */
const TILE = "M2 12C2 6.477 6.477 2 12 2h8c5.523 0 10 4.477 10 10v8c0 5.523-4.477 10-10 10H5a3 3 0 0 1-3-3z";
const BARS = "M9.2 10v12M14 12.4v7.2M18.8 14.4v3.2M23.2 16v.01";

const WITH_DOT = `data:image/svg+xml,${encodeURIComponent(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path d="${TILE}" fill="#0f6e65"/><path d="${BARS}" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round"/><circle cx="25.5" cy="6.5" r="6.5" fill="#e8a13a" stroke="#fff" stroke-width="1.5"/></svg>`,
)}`;

/** As the page came with it. */
let plain: string | undefined;

export function setFavicon(unread: boolean): void {
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (!link) return;
  plain ??= link.href;
  link.href = unread ? WITH_DOT : plain;
}
