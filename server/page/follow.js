// The bots as this page knows them, kept right over gaps: an event counts only right after the one before it.

const ID = /^([0-9a-f]+)-(\d+)$/;

/** Something was missed: only a new snapshot helps. */
export class Gap extends Error {}

/**
 * Holds the last state of every bot. Every event bears an id, "epoch-number", and numbers go up by one, so what is
 * missing shows. (A bot's own version may jump: the server puts rapid changes together.)
 */
export class Follower {
  bots = new Map();
  known = false;
  complete = false; // whether all bots were known once
  #epoch = "";
  #number = 0;

  /** Take one event; answers with the ids of the bots that changed, null for all. Throws Gap. */
  apply(type, id, data) {
    const [, epoch, digits] = ID.exec(id) ?? [];
    if (epoch === undefined) throw new Gap(`the event id ${id}`);
    const number = Number(digits);
    if (type === "snapshot") return this.#snapshot(epoch, number, data);
    if (!this.known || epoch !== this.#epoch) throw new Gap(`epoch ${epoch} after ${this.#epoch}`);
    if (number <= this.#number) return new Set();
    if (number !== this.#number + 1) throw new Gap(`event ${number} after ${this.#number}`);
    this.#number = number;
    if (type === "removed") this.bots.delete(data.bot_id);
    else this.#update(data);
    return new Set([data.bot_id]);
  }

  forget() {
    this.bots.clear();
    this.known = this.complete = false;
  }

  #snapshot(epoch, number, data) {
    this.#epoch = epoch;
    this.#number = number;
    if (data.ready === false) this.#add(data.bots);
    else {
      this.bots = new Map(data.bots.map((bot) => [bot.bot_id, bot]));
      this.complete = true;
    }
    this.known = true;
    return null;
  }

  /** The server does not hear of everything: bots may be missing here, but none is gone. */
  #add(bots) {
    for (const bot of bots) {
      const known = this.bots.get(bot.bot_id);
      if (!known || known.version < bot.version) this.bots.set(bot.bot_id, bot);
    }
  }

  #update(data) {
    const before = this.bots.get(data.bot_id);
    if (!before && data.status === undefined) throw new Gap(`an update of the unknown bot ${data.bot_id}`);
    this.bots.set(data.bot_id, { ...before, ...data });
  }
}
