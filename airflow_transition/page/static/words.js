/* What each state is called, and how it stands out: by colour, sign and word alike. */

export const STANDING = {
  silent: { word: "Silent", tone: "bad" },
  fenced: { word: "Fenced", tone: "bad" },
  probation: { word: "On probation", tone: "warn" },
  degraded: { word: "Degraded", tone: "warn" },
  unknown: { word: "Unknown", tone: "quiet" },
  unheard: { word: "Never heard", tone: "quiet" },
  ready: { word: "Ready", tone: "good" },
};

export const PROTECTION = {
  none: { word: "Not protected", tone: "bad" },
  late: { word: "Late", tone: "warn" },
  kept: { word: "As promised", tone: "good" },
  "by-hand": { word: "By hand", tone: "quiet" },
  cold: { word: "Without memory", tone: "quiet" },
};

export const KIND = { migration: "Migration", failover: "Failover", failback: "Failback" };

export const STATE = {
  planned: { word: "Planned", tone: "quiet" },
  running: { word: "Running", tone: "busy" },
  done: { word: "Done", tone: "good" },
  "rolled-back": { word: "Rolled back", tone: "warn" },
  failed: { word: "Failed", tone: "bad" },
};

export const STEP = {
  running: { word: "Running", tone: "busy" },
  done: { word: "Done", tone: "good" },
  failed: { word: "Failed", tone: "bad" },
  skipped: { word: "Skipped", tone: "quiet" },
};

export const HEALTH = {
  Ready: { word: "Ready", tone: "good" },
  NotReady: { word: "NotReady", tone: "bad" },
  Unknown: { word: "Unknown", tone: "quiet" },
};

/** A state that this page does not know yet is shown as it came. */
export function known(states, name) {
  return states[name] ?? { word: String(name), tone: "quiet" };
}
