import { lazy, Suspense } from "react";
import type { QrScannerProps } from "./QrCamera";
import "./QrScanner.css";

// Most visits need no camera.
const QrCamera = lazy(async () => ({ default: (await import("./QrCamera")).QrCamera }));

/** The camera's picture, read until `onRead` is content. */
export function QrScanner(props: QrScannerProps) {
  return (
    <Suspense fallback={<div className="scanner" aria-busy="true" />}>
      <QrCamera {...props} />
    </Suspense>
  );
}
