import type { ButtonHTMLAttributes, Ref } from "react";

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  variant?: "primary" | "plain" | "danger";
  small?: boolean;
  wide?: boolean;
  ref?: Ref<HTMLButtonElement>;
}

const CLASS = { primary: "primary", plain: "plain", danger: "plain danger" };

export function Button({ variant, small, wide, className, type, ...rest }: Props) {
  const names = ["btn", variant ? CLASS[variant] : "", small ? "sm" : "", wide ? "wide" : "", className ?? ""];
  return <button type={type ?? "button"} className={names.filter(Boolean).join(" ")} {...rest} />;
}
