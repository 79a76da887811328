/**
 * Persons and groups, as panels and dialogs: loaded together when the first of them is shown. They share parts, and what two files
 * share is loaded by the first visit, which needs none of it.
 */
export { ContactPanel } from "../contact";
export { GroupPanel } from "../groups/GroupPanel";
export { JoinGroup } from "../groups/JoinGroup";
export { NewGroup } from "../groups/NewGroup";
export { PeoplePicker } from "../groups/PeoplePicker";
export { PictureField } from "../groups/PictureField";
