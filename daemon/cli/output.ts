import type { Sink } from './io.ts'

export interface OutputOptions {
  readonly json: boolean
  readonly quiet: boolean
  readonly color: boolean
}

const COLORS = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const

/**
 * stdout carries data only; stderr is for people. With `json` every call of `data` prints one JSON value
 * on one line, and there is no progress.
 */
export class Output {
  readonly json: boolean
  readonly interactive: boolean
  readonly #stdout: Sink
  readonly #stderr: Sink
  readonly #quiet: boolean
  readonly #color: boolean
  #progress = ''

  constructor(ports: { stdout: Sink; stderr: Sink }, options: OutputOptions) {
    this.#stdout = ports.stdout
    this.#stderr = ports.stderr
    this.json = options.json
    this.#quiet = options.quiet
    this.#color = options.color
    this.interactive = ports.stderr.isTTY && !options.json && !options.quiet
  }

  /** The result: `value` as JSON, or the text that `human` makes of it. */
  data(value: unknown, human: string): void {
    this.#clearProgress()
    this.#stdout.write(this.json ? `${JSON.stringify(value)}\n` : endLine(human))
  }

  /** Resolves when all data are out of this process; never when they cannot be written, which ends it. */
  delivered(): Promise<void> {
    return this.#stdout.flushed()
  }

  /** Text that is data whatever the options say, such as a script or a file. */
  raw(text: string): void {
    this.#clearProgress()
    this.#stdout.write(text)
  }

  /** A sentence for the person. Nothing with `--json` or `--quiet`. */
  note(text: string): void {
    if (this.json || this.#quiet) return
    this.#clearProgress()
    this.#stderr.write(endLine(text))
  }

  /** A warning or an error: always shown. */
  alert(text: string): void {
    this.#clearProgress()
    this.#stderr.write(endLine(text))
  }

  /** What is going on now. One line that is overwritten on a terminal, a line per change elsewhere. */
  progress(text: string): void {
    if (this.json || this.#quiet || text === this.#progress) return
    if (this.interactive) {
      this.#stderr.write(`\r\u001b[K${text}`)
    } else {
      this.#stderr.write(`${text}\n`)
    }
    this.#progress = text
  }

  paint(color: keyof typeof COLORS, text: string): string {
    return this.#color ? `\u001b[${COLORS[color]}m${text}\u001b[0m` : text
  }

  get ok(): string {
    return this.paint('green', '✓')
  }

  get bad(): string {
    return this.paint('red', '✗')
  }

  get warn(): string {
    return this.paint('yellow', '!')
  }

  #clearProgress(): void {
    if (this.#progress === '') return
    if (this.interactive) this.#stderr.write('\r\u001b[K')
    this.#progress = ''
  }
}

function endLine(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}
