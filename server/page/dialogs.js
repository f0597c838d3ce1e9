// Asking before a bot is started or stopped: real positions hang on it.

import { byId, setText } from "./dom.js";
import { t } from "./words.js";

const dialog = byId("confirm");

/**
 * Ask about `what` ("start" or "stop"). Resolves to null for no, else to the command's body: for a stop
 * {flatten: whether the positions are to be closed}, for a start {}.
 */
export function confirmCommand(bot, what, live) {
  const holds = what === "stop" && Boolean(bot.positions?.length || bot.position);
  const fields = { name: bot.name };
  setText(byId("confirm-title"), t(`${what}_title`, fields));
  setText(byId("confirm-text"), t(what === "start" && bot.status === "error" ? "start_error" : `${what}_text`));
  setText(byId("confirm-question"), t("stop_question"));
  setText(byId("confirm-keep-text"), t("stop_keep"));
  setText(byId("confirm-sell-text"), t("stop_sell"));
  setText(byId("confirm-warning"), t("not_live_warning"));
  setText(byId("confirm-no"), t("cancel"));
  setText(byId("confirm-yes"), t(what === "start" ? "start" : "stop_button"));
  byId("confirm-holding").hidden = !holds;
  byId("confirm-warning").hidden = live;
  byId("confirm-keep").checked = true;
  byId("confirm-yes").dataset.what = what;
  dialog.returnValue = "";
  dialog.showModal();
  byId("confirm-no").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const yes = dialog.returnValue === "yes";
      if (!yes) resolve(null);
      else resolve(what === "stop" ? { flatten: holds && byId("confirm-sell").checked } : {});
    }, { once: true });
  });
}

/** Close the question without an answer, if it is open. */
export function dismiss() {
  if (dialog.open) dialog.close();
}
