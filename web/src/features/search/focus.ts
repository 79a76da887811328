/** Ctrl K is heard by the page, the field is in the list: this is the wire between them. */
let field: HTMLInputElement | null = null;

export function setSearchField(node: HTMLInputElement | null): void {
  field = node;
}

/** False: there is no field on the screen now. */
export function focusSearch(): boolean {
  field?.focus();
  if (field === null || document.activeElement !== field) return false;
  field.select();
  return true;
}
