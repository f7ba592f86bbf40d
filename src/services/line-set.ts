/** The numbers of lines in a bit each, so that every one of a stream of any length is told. */
export class LineSet {
  #bits = new Uint8Array(1_024);
  #last = 0;

  /** Takes a line in, by its number; in any order. */
  add(line: number): void {
    const place = line >>> 3;
    if (place >= this.#bits.length) {
      const bits = new Uint8Array(Math.max(this.#bits.length * 2, place + 1));
      bits.set(this.#bits);
      this.#bits = bits;
    }
    this.#bits[place] = (this.#bits[place] ?? 0) | (1 << (line & 7));
    this.#last = Math.max(this.#last, line);
  }

  /** The lines as stretches `[first, last]`, in order. */
  get stretches(): (readonly [first: number, last: number])[] {
    const stretches: [number, number][] = [];
    for (let line = 0; line <= this.#last; line += 1) {
      const bits = this.#bits[line >>> 3] ?? 0;
      const before = stretches.at(-1);
      // Most of a stream is good: eight lines at a time.
      if (bits === 0) line |= 7;
      else if ((bits & (1 << (line & 7))) === 0) continue;
      else if (before?.[1] === line - 1) before[1] = line;
      else stretches.push([line, line]);
    }
    return stretches;
  }
}
