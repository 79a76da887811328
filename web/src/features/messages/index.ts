/**
 * What messages can be beside plain words, and what can be done with them: one file, loaded once the profile has messages. The log,
 * the composer and the shell ask for it by `rich`.
 */
import "./messages.css";

export { ChosenBar, PinnedBar, WritingBar } from "./bars";
export { Card } from "./cards";
export { MessageDialogs } from "./dialogs";
export { messageMenu, reactionMenu } from "./menu";
export { Above, Formatted, Marks, Reactions } from "./parts";
export { Starred } from "./Starred";
export { TimerDialog } from "./TimerDialog";
