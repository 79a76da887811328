import { CameraOff } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { t } from "../strings";

export interface QrScannerProps {
  /** Called with what a code says, once per code that comes into view; return true when it was the right one. */
  onRead: (text: string) => boolean;
  label: string;
}

type Trouble = "blocked" | "none" | "busy" | "insecure";

/** The parts of the BarcodeDetector API used here; TypeScript's library does not have it. */
interface Detector {
  detect(source: HTMLVideoElement): Promise<{ rawValue: string }[]>;
}
interface DetectorClass {
  new (options: { formats: string[] }): Detector;
  getSupportedFormats(): Promise<string[]>;
}

/** A frame is looked at this often: quick for the hand that holds the code, slow enough for an old phone. */
const LOOK_EVERY_MS = 120;
/** Decoding costs by the pixel, and a code that fills a third of the picture is readable at this width. */
const WIDTH_MAX = 1024;

/** The camera on the back, and enough pixels for a code of fifty modules. */
const CAMERA = { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } };

type Read = (video: HTMLVideoElement) => Promise<string | null>;

/** The browser's own detector where it knows QR codes, ours (loaded now) elsewhere. */
async function reader(): Promise<Read> {
  const native = (globalThis as { BarcodeDetector?: DetectorClass }).BarcodeDetector;
  const formats: string[] = (await native?.getSupportedFormats().catch(() => [])) ?? [];
  if (native !== undefined && formats.includes("qr_code")) {
    const detector = new native({ formats: ["qr_code"] });
    return async (video) => (await detector.detect(video))[0]?.rawValue ?? null;
  }
  const { decodeQR } = await import("qr/decode.js");
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return (video) => {
    const scale = Math.min(1, WIDTH_MAX / video.videoWidth);
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    if (context === null || canvas.width === 0) return Promise.resolve(null);
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    try {
      return Promise.resolve(decodeQR(context.getImageData(0, 0, canvas.width, canvas.height)));
    } catch {
      // No code in this frame.
      return Promise.resolve(null);
    }
  };
}

function troubleOf(error: unknown): Trouble {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "blocked";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "none";
  return "busy";
}

const TROUBLE = {
  blocked: "scanner.blocked",
  none: "scanner.none",
  busy: "scanner.busy",
  insecure: "scanner.insecure",
} as const;

export function QrCamera({ onRead, label }: QrScannerProps) {
  const video = useRef<HTMLVideoElement>(null);
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const [live, setLive] = useState(false);
  const told = useRef(onRead);
  useEffect(() => {
    told.current = onRead;
  });

  useEffect(() => {
    const node = video.current;
    if (node === null) return;
    let over = false;
    let stream: MediaStream | null = null;
    let timer = 0;
    let last: string | null = null;
    const stop = () => {
      over = true;
      clearTimeout(timer);
      stream?.getTracks().forEach((track) => track.stop());
      node.srcObject = null;
    };
    const start = async () => {
      // Old and insecure contexts have no `mediaDevices`, whatever its type says.
      const devices = navigator.mediaDevices as MediaDevices | undefined;
      if (devices === undefined) {
        setTrouble("insecure");
        return;
      }
      try {
        stream = await devices.getUserMedia({ video: CAMERA, audio: false });
        if (over) {
          stop();
          return;
        }
        node.srcObject = stream;
        await node.play();
        setLive(true);
        const read = await reader();
        const look = async () => {
          const text = await read(node).catch(() => null);
          if (over) return;
          if (text !== null && text !== "" && text !== last) {
            last = text;
            if (told.current(text)) {
              stop();
              return;
            }
          }
          timer = window.setTimeout(() => void look(), LOOK_EVERY_MS);
        };
        await look();
      } catch (error) {
        // Leaving while the camera opens rejects too.
        if (!over) setTrouble(troubleOf(error));
        stop();
      }
    };
    void start();
    return stop;
  }, []);

  return (
    <div className="scanner" data-live={live || undefined}>
      <video ref={video} muted playsInline aria-label={label} hidden={trouble !== null} />
      {trouble === null ? (
        <span className="scanner-frame" aria-hidden="true" />
      ) : (
        <div className="scanner-trouble" role="alert">
          <CameraOff className="i" aria-hidden="true" />
          <p>{t(TROUBLE[trouble])}</p>
        </div>
      )}
    </div>
  );
}
