/** Making a group: first the people, then what it is called. */
import { ArrowLeft, ArrowRight } from "lucide-react";
import { useState, type SubmitEvent } from "react";
import { useLocation } from "wouter";
import { engine } from "../../engine/engine";
import { t } from "../../strings/groups";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Icon } from "../../ui/Icon";
import { Progress } from "../../ui/Progress";
import { Toggle } from "../../ui/Toggle";
import { chatPath } from "../shell/route";
import { checkDetails, detailsFields, type Details } from "./details";
import { DetailsForm } from "./DetailsForm";
import { PeoplePicker, type Person } from "./PeoplePicker";
import { PermissionRows, type Permissions } from "./PermissionRows";
import { MEMBERS_MAX } from "./rights";
import { useAct } from "./use-group";
import "./groups.css";

const EVERYBODY: Permissions = { post: "members", add: "members", change_details: "members" };

export function NewGroup() {
  const [, navigate] = useLocation();
  const [step, setStep] = useState<"people" | "details">("people");
  const [people, setPeople] = useState<readonly Person[]>([]);
  const [details, setDetails] = useState<Details>({ title: "", description: "", picture: null });
  const [permissions, setPermissions] = useState(EVERYBODY);
  const [pairwise, setPairwise] = useState(false);
  const [tried, setTried] = useState(false);
  const { busy, failure, act } = useAct();
  const close = () => navigate("/");

  const over = pairwise ? people.length - (MEMBERS_MAX.pairwise - 1) : 0;
  const wrong = checkDetails(details);
  const create = async () => {
    setTried(true);
    if (busy || over > 0 || wrong.title !== null || wrong.description !== null) return;
    await act(async () => {
      const { group } = await engine.command({
        command: "create_group",
        group: {
          ...detailsFields(details),
          ...permissions,
          members: people.map(({ account }) => ({ account })),
          fanout: pairwise ? "pairwise" : "log",
        },
      });
      navigate(chatPath(group.group));
    });
  };

  if (step === "people") {
    return (
      <Dialog
        key={step}
        title={t("groups.new.title")}
        wide
        onClose={close}
        actions={
          <Button variant="primary" onClick={() => setStep("details")}>
            {t("groups.new.next", { count: people.length })}
            <Icon icon={ArrowRight} small directional />
          </Button>
        }
      >
        <PeoplePicker chosen={people} onChange={setPeople} max={MEMBERS_MAX.log - 1} />
      </Dialog>
    );
  }
  return (
    <Dialog
      key={step}
      title={t("groups.new.title")}
      wide
      onClose={close}
      actions={
        <>
          <Button disabled={busy} onClick={() => setStep("people")}>
            <Icon icon={ArrowLeft} small directional />
            {t("common.back")}
          </Button>
          <Button variant="primary" aria-disabled={busy} onClick={() => void create()}>
            {busy && <span className="spin" aria-hidden="true" />}
            {t("groups.new.create")}
          </Button>
        </>
      }
    >
      <form
        noValidate
        onSubmit={(event: SubmitEvent) => {
          event.preventDefault();
          void create();
        }}
      >
        <DetailsForm id="new" value={details} onChange={setDetails} tried={tried} />
        {/* Enter in the title makes the group, as the button does. */}
        <button type="submit" hidden />
      </form>
      <details className="advanced">
        <summary>{t("groups.new.advanced")}</summary>
        <PermissionRows value={permissions} onChange={setPermissions} />
        <div className="perm-row">
          <span>
            {t("groups.new.pairwise")}
            <small>{t("groups.new.pairwise.hint")}</small>
          </span>
          <Toggle label={t("groups.new.pairwise")} checked={pairwise} onChange={setPairwise} />
        </div>
      </details>
      {over > 0 && (
        <p className="field-error" role="alert">
          {t("groups.new.pairwise.full", { over })}
        </p>
      )}
      {busy && (
        <div className="group-busy" role="status">
          <p>{t("groups.new.busy", { count: people.length })}</p>
          <Progress label={t("groups.new.busy", { count: people.length })} done={0} total={0} />
        </div>
      )}
      <p className="field-error" role="alert">
        {failure}
      </p>
    </Dialog>
  );
}
