import { useId } from "react";
import { t } from "../../strings/groups";
import { Field } from "../../ui/Field";
import { checkDetails, type Details } from "./details";
import { PictureField } from "./PictureField";

interface Props {
  /** What the picture's place is drawn like. */
  id: string;
  value: Details;
  onChange: (details: Details) => void;
  /** The person tried to go on: what is wrong is said now. */
  tried: boolean;
}

export function DetailsForm({ id, value, onChange, tried }: Props) {
  const wrong = checkDetails(value);
  const area = useId();
  const tooLong = wrong.description !== null;
  return (
    <div className="group-details">
      <PictureField id={id} name={value.title} value={value.picture} onChange={(picture) => onChange({ ...value, picture })} />
      <div className="group-fields">
        <Field
          label={t("groups.title")}
          value={value.title}
          onChange={(title) => onChange({ ...value, title })}
          error={tried || wrong.title !== t("groups.title.missing") ? wrong.title : null}
          dir="auto"
          autoComplete="off"
        />
        <div className="field-row">
          <label className="field-label" htmlFor={area}>
            {t("groups.description")}
          </label>
          <div className={tooLong ? "field-box wrong" : "field-box"}>
            <textarea
              id={area}
              className="field-input"
              rows={3}
              dir="auto"
              value={value.description}
              aria-invalid={tooLong || undefined}
              aria-describedby={`${area}-e ${area}-h`}
              onChange={(event) => onChange({ ...value, description: event.target.value })}
            />
          </div>
          <p className="field-error" id={`${area}-e`} role="alert">
            {wrong.description}
          </p>
          <div className="field-hint" id={`${area}-h`}>
            {t("groups.description.hint")}
          </div>
        </div>
      </div>
    </div>
  );
}
