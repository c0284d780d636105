/** Columns as wide as their widest cell, two spaces apart. Numbers stand to the right. */
export function table(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const cells = rows.map((row) => row.map(String))
  const widths = head.map((title, column) =>
    Math.max(width(title), ...cells.map((row) => width(row[column] ?? ''))),
  )
  const numeric = head.map((_, column) =>
    rows.every((row) => typeof row[column] === 'number' || row[column] === '-'),
  )
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => {
        const pad = ' '.repeat(Math.max(0, (widths[column] ?? 0) - width(cell)))
        return rows.length > 0 && numeric[column] === true ? pad + cell : cell + pad
      })
      .join('  ')
      .trimEnd()
  return [line(head), ...cells.map(line)].map((text) => `${text}\n`).join('')
}

function width(text: string): number {
  return Array.from(text).length
}

/**
 * Text that came from someone else, made safe for a terminal: escape sequences and other control
 * characters become visible, so that a message can neither move the cursor nor forge a line.
 */
export function printable(text: string, newline = ' '): string {
  return text
    .replaceAll('\n', newline)
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (char) =>
      newline.includes(char) ? char : char === '\u200d' ? char : '\ufffd',
    )
}
