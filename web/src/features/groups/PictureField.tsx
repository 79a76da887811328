import { Camera, Minus, Plus, Trash2 } from "lucide-react";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { t } from "../../strings/groups";
import { Avatar, type Picture } from "../../ui/Avatar";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Icon } from "../../ui/Icon";
import { IconButton } from "../../ui/IconButton";
import { cut, decode, draw, middle, PERSON_SIDE_MAX, squareOf, within, ZOOM_MAX, type Frame } from "./picture";

interface Props {
  /** What it is drawn like without a picture. */
  id: string;
  name: string;
  value: Picture | null;
  onChange: (picture: Picture | null) => void;
  /** A person's: round, and smaller. */
  person?: boolean;
}

/** The picture of a group or a person: choose a file, choose its square. */
export function PictureField({ id, name, value, onChange, person = false }: Props) {
  const [bitmap, setBitmap] = useState<ImageBitmap | null>(null);
  const [error, setError] = useState<string | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => () => bitmap?.close(), [bitmap]);

  const read = (file: File) => {
    setError(null);
    decode(file).then(setBitmap, () => setError(t("groups.picture.unreadable")));
  };
  const choose = () => {
    const input = document.createElement("input");
    input.type = "file";
    input.accept = "image/*";
    input.onchange = () => {
      const file = input.files?.[0];
      if (file) read(file);
    };
    input.click();
  };
  return (
    <div
      className="group-picture"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        const file = event.dataTransfer.files[0];
        if (file) read(file);
      }}
    >
      <button
        ref={button}
        type="button"
        className="group-picture-button"
        aria-label={t(value === null ? "groups.picture.add" : "groups.picture.change")}
        title={t(value === null ? "groups.picture.add" : "groups.picture.change")}
        onClick={choose}
      >
        <Avatar account={id} name={name} size="xl" group={!person} picture={value} />
        <span className="group-picture-mark">
          <Icon icon={Camera} small />
        </span>
      </button>
      {value !== null && (
        <Button
          small
          variant="plain"
          aria-label={t("groups.picture.remove_label")}
          onClick={() => {
            onChange(null);
            button.current?.focus();
          }}
        >
          <Icon icon={Trash2} small />
          {t("groups.picture.remove")}
        </Button>
      )}
      <p className="field-error" role="alert">
        {error}
      </p>
      {bitmap !== null && (
        <Cropper
          bitmap={bitmap}
          sideMax={person ? PERSON_SIDE_MAX : Infinity}
          onUse={(picture) => {
            setBitmap(null);
            onChange(picture);
          }}
          onClose={() => setBitmap(null)}
        />
      )}
    </div>
  );
}

/** Twice the size at which it is shown, for sharp screens. */
const CANVAS = 560;
const STEP = 0.06;

function Cropper({ bitmap, sideMax, onUse, onClose }: { bitmap: ImageBitmap; sideMax: number; onUse: (picture: Picture) => void; onClose: () => void }) {
  const [frame, setFrame] = useState<Frame>(() => middle(bitmap));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const grip = useRef<{ id: number; x: number; y: number } | null>(null);
  useLayoutEffect(() => {
    if (canvas.current) draw(canvas.current, bitmap, squareOf(bitmap, frame));
  }, [bitmap, frame]);

  /** By shares of what the frame shows. */
  const move = (dx: number, dy: number) =>
    setFrame((now) => {
      const { side } = squareOf(bitmap, now);
      return within(bitmap, { ...now, x: now.x + dx * side, y: now.y + dy * side });
    });
  const zoom = (zoom: number) => setFrame((now) => within(bitmap, { ...now, zoom }));
  const onKeyDown = (event: React.KeyboardEvent) => {
    const step = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (step) move(step[0] ?? 0, step[1] ?? 0);
    else if (event.key === "+" || event.key === "=") zoom(frame.zoom * 1.15);
    else if (event.key === "-") zoom(frame.zoom / 1.15);
    else return;
    event.preventDefault();
  };
  const use = async () => {
    setBusy(true);
    const picture = await cut(bitmap, frame, sideMax).catch(() => null);
    setBusy(false);
    if (picture === null) setError(t("groups.picture.too_much"));
    else onUse(picture);
  };

  return (
    <Dialog
      title={t("groups.picture.crop")}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button variant="primary" disabled={busy} onClick={() => void use()}>
            {busy && <span className="spin" aria-hidden="true" />}
            {t("groups.picture.use")}
          </Button>
        </>
      }
    >
      <div className="cropper">
        <canvas
          ref={canvas}
          width={CANVAS}
          height={CANVAS}
          className="crop"
          role="img"
          aria-label={t("groups.picture.crop.label")}
          tabIndex={0}
          onKeyDown={onKeyDown}
          onWheel={(event) => zoom(frame.zoom * (event.deltaY < 0 ? 1.08 : 1 / 1.08))}
          onPointerDown={(event) => {
            event.currentTarget.setPointerCapture(event.pointerId);
            grip.current = { id: event.pointerId, x: event.clientX, y: event.clientY };
          }}
          onPointerMove={(event) => {
            const from = grip.current;
            if (from?.id !== event.pointerId) return;
            const width = event.currentTarget.clientWidth;
            move((from.x - event.clientX) / width, (from.y - event.clientY) / width);
            grip.current = { id: event.pointerId, x: event.clientX, y: event.clientY };
          }}
          onPointerUp={() => {
            grip.current = null;
          }}
          onPointerCancel={() => {
            grip.current = null;
          }}
        />
        <div className="crop-zoom">
          <IconButton icon={Minus} label={`${t("groups.picture.zoom")} −`} small onClick={() => zoom(frame.zoom / 1.25)} />
          <input
            type="range"
            min={1}
            max={ZOOM_MAX}
            step={0.01}
            value={frame.zoom}
            aria-label={t("groups.picture.zoom")}
            onChange={(event) => zoom(event.target.valueAsNumber)}
          />
          <IconButton icon={Plus} label={`${t("groups.picture.zoom")} +`} small onClick={() => zoom(frame.zoom * 1.25)} />
        </div>
        <p className="field-hint">{t("groups.picture.hint")}</p>
        <p className="field-error" role="alert">
          {error}
        </p>
      </div>
    </Dialog>
  );
}
