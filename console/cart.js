// The cart of one restaurant. Changes are shown at once; the response of the server contains names, prices and totals.

import { get, put } from './api.js';
import { choicesOf, sameChoices } from './choices.js';

/** The cart of a restaurant; `changed()` is called after each change, `failed(problem)` when a change was refused. */
export class Cart {
  #path;
  #changed;
  #failed;
  #saving = null;
  #dirty = false;
  lines = [];
  data = null;

  constructor(restaurantId, { changed, failed }) {
    this.#path = `/api/restaurants/${restaurantId}/cart`;
    this.#changed = changed;
    this.#failed = failed;
  }

  async load() {
    this.#take(await get(this.#path).catch((problem) => {
      if (problem.status === 404) return null;
      throw problem;
    }));
  }

  /** Whether changes have not been stored on the server yet. */
  get unsaved() { return this.#saving !== null; }

  /** Adds an item with these modifiers: to its line without a note, or as a new line. */
  add(item, modifiers = []) {
    const line = this.lines.find((other) => other.itemId === item.id && !other.note && sameChoices(other.modifiers, modifiers));
    if (line) line.quantity += 1;
    else this.lines.push({ itemId: item.id, quantity: 1, note: null, name: item.name, modifiers });
    this.#push();
  }

  setModifiers(line, modifiers) {
    line.modifiers = modifiers;
    this.#push();
  }

  setQuantity(line, quantity) {
    line.quantity = quantity;
    if (quantity < 1) this.lines = this.lines.filter((other) => other !== line);
    this.#push();
  }

  setNote(line, note) {
    line.note = note || null;
    this.#push();
  }

  /** Resolves when all changes are stored on the server. */
  async settled() {
    while (this.#saving) await this.#saving;
  }

  /** Sends one PUT at a time, each with the latest lines, so that a slow response cannot overwrite a later change. */
  #push() {
    this.#dirty = true;
    this.#saving ??= this.#save().finally(() => { this.#saving = null; this.#changed(); });
    this.#changed();
  }

  async #save() {
    while (this.#dirty) {
      this.#dirty = false;
      const lines = this.lines.map(({ key, itemId, quantity, note, modifiers }) =>
        ({ ...(key && { key }), itemId, quantity, modifiers: choicesOf(modifiers), ...(note && { note }) }));
      try {
        const answer = await put(this.#path, { lines });
        if (!this.#dirty) this.#take(answer);
      } catch (problem) {
        this.#failed(problem);
        this.#dirty = false;
        await this.load().catch(() => {});
      }
    }
  }

  #take(data) {
    this.data = data;
    this.lines = (data?.lines ?? []).map((line) => ({ ...line }));
    this.#changed();
  }
}
