import type { Context } from './context.ts'

/** Shows `text` as a QR code on the terminal; nothing where no person looks. */
export async function printQr(context: Context, text: string): Promise<void> {
  if (!context.out.interactive) return
  const { renderUnicodeCompact } = await import('uqr')
  context.out.note(renderUnicodeCompact(text, { border: 2 }))
}
