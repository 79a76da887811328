/** What people who were accepted see of one: picture, name, a line about oneself. */
import type { ProfileChanges } from "@sotto/engine";
import { lazy, Suspense, useState } from "react";
import { Link } from "wouter";
import { engine } from "../../../engine/engine";
import { t } from "../../../strings/people";
import { reasonOf } from "../../../strings/reason";
import { Avatar, type Picture } from "../../../ui/Avatar";
import { Button } from "../../../ui/Button";
import { Field } from "../../../ui/Field";
import { Group } from "../parts";
import { useReply } from "../use-reply";

const PictureField = lazy(async () => ({ default: (await import("../../info")).PictureField }));

const NAME_CHARS = 64;
const ABOUT_CHARS = 140;
/** From here on people are told how much is left. */
const ABOUT_TELL = 30;

const lengthOf = (text: string): number => Array.from(text).length;

export function Me({ account, username }: { account: string; username: string }) {
  const changed = (happening: { event: string }) => happening.event === "profile_changed";
  const { reply, failure, reload } = useReply({ command: "profile" }, changed);
  const { reply: pictured, reload: reloadPicture } = useReply({ command: "picture", account }, changed);
  // What was typed and not saved; null: as it is.
  const [name, setName] = useState<string | null>(null);
  const [about, setAbout] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [saved, setSaved] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const profile = reply?.profile ?? null;
  const picture = pictured?.picture ?? null;
  const value: Picture | null = picture && { picture: picture.data, picture_type: picture.media_type };
  const shownName = name ?? profile?.display_name ?? "";
  const shownAbout = about ?? profile?.about ?? "";
  const isNew = shownName.trim() !== (profile?.display_name ?? "") || shownAbout.trim() !== (profile?.about ?? "");
  const left = ABOUT_CHARS - lengthOf(shownAbout);

  const set = async (changes: ProfileChanges) => {
    setBusy(true);
    setError(null);
    setSaved(false);
    try {
      await engine.command({ command: "set_profile", changes });
      reload();
      reloadPicture();
      return true;
    } catch (failure) {
      setError(reasonOf(failure));
      return false;
    } finally {
      setBusy(false);
    }
  };
  const save = async () => {
    if (!(await set({ display_name: shownName.trim(), about: shownAbout.trim() }))) return;
    setName(null);
    setAbout(null);
    setSaved(true);
  };
  return (
    <Group>
      <form
        className="set-me"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (isNew && !busy) void save();
        }}
      >
        <Suspense fallback={<Avatar account={account} name={shownName || username} size="xl" />}>
          <PictureField person id={account} name={shownName || username} value={value} onChange={(chosen) => void set({ picture: chosen?.picture ?? "" })} />
        </Suspense>
        <div className="set-me-fields">
          <Field
            label={t("me.name")}
            hint={t("me.name.hint", { username })}
            value={shownName}
            maxLength={NAME_CHARS}
            dir="auto"
            autoComplete="name"
            disabled={profile === null}
            onChange={(next) => {
              setName(next);
              setSaved(false);
            }}
          />
          <Field
            label={t("me.about")}
            hint={left <= ABOUT_TELL ? t("me.left", { count: left }) : t("me.about.hint")}
            value={shownAbout}
            maxLength={ABOUT_CHARS}
            dir="auto"
            autoComplete="off"
            disabled={profile === null}
            onChange={(next) => {
              setAbout(next);
              setSaved(false);
            }}
          />
          <p className="field-error" role="alert">
            {error ?? (failure === null ? null : reasonOf(failure))}
          </p>
          <p className="field-hint">
            {t("me.who")} <Link href="/settings/privacy">{t("me.who_link")}</Link>
          </p>
          <div className="set-me-acts">
            <span className="muted" role="status">
              {saved && !isNew && t("me.saved")}
            </span>
            <Button variant="primary" small type="submit" disabled={busy || !isNew}>
              {t("me.save")}
            </Button>
          </div>
        </div>
      </form>
    </Group>
  );
}
