/**
 * The gate: everything between "no account on this device" and the chats.
 * Ways in: a new account (name, recovery code, code asked back), another device (link), a recovery code. What must still be done
 * although the account exists already is in `pending`; the addresses make Back work.
 */
import { useLocation } from "wouter";
import { CreateAccount } from "./CreateAccount";
import { takeWaitingPath } from "../newchat/link";
import { LinkThisDevice, Linked } from "./LinkThisDevice";
import { setPending, usePending } from "./pending";
import { Recover, Recovered } from "./Recover";
import { RecoveryCode } from "./RecoveryCode";
import { useServer } from "./server";
import { Unreachable, Welcome } from "./Welcome";

export function Gate() {
  const pending = usePending((state) => state.pending);
  const [path, navigate] = useLocation();
  const server = useServer();
  const home = () => navigate("/");
  const finish = () => {
    navigate(takeWaitingPath() ?? "/", { replace: true });
    setPending(null);
  };

  switch (pending?.step) {
    case "code":
      return (
        <RecoveryCode
          code={pending.code}
          username={pending.username}
          replaced={pending.replaced === true}
          // A replaced code was asked for on a page that is still there.
          onDone={pending.replaced === true ? () => setPending(null) : finish}
        />
      );
    case "linking":
      return <Linked onDone={finish} />;
    case "recovered":
      return <Recovered username={pending.username} otherDevices={pending.otherDevices} onDone={finish} />;
  }
  // The link page asks the server itself and says what it hears; the others need to know what the server takes.
  if (server.state === "unreachable") return <Unreachable again={server.again} />;
  switch (path) {
    case "/create":
      if (server.state === "ready" && server.info.registration === "closed") break;
      return <CreateAccount invite={server.state === "ready" && server.info.registration === "invite"} onBack={home} />;
    case "/link-this-device":
      return <LinkThisDevice onBack={home} onLost={() => navigate("/recover")} />;
    case "/recover":
      return <Recover onBack={home} />;
  }
  return <Welcome server={server} onChoose={navigate} />;
}

export default Gate;
