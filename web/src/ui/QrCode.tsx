import { lazy, Suspense } from "react";
import type { QrCodeProps } from "./QrDrawing";
import "./QrCode.css";

// Most visits show none.
const QrDrawing = lazy(async () => ({ default: (await import("./QrDrawing")).QrDrawing }));

/** A QR code in ink on paper, in both themes: scanners expect dark on light. */
export function QrCode(props: QrCodeProps) {
  return (
    <Suspense fallback={<div className="qr" aria-busy="true" />}>
      <QrDrawing {...props} />
    </Suspense>
  );
}
