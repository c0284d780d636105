import { fromBase64Url, HearsayError, toBase64Url } from '../base/index.ts'
import { type Conversations, INVITE_TTL_MS_DEFAULT } from '../conversation/index.ts'
import type { Store } from '../store/index.ts'
import type { NodeApi } from './api.ts'
import type { ContactErasure } from './contact-erasure.ts'
import type { Idempotency } from './idempotency.ts'
import { contactView, cursorText, parseCursor, timeText } from './views.ts'

export interface ContactsPorts {
  readonly store: Store
  readonly idempotency: Idempotency
  readonly erasure: ContactErasure
  /** @throws HearsayError `network-not-joined`. */
  readonly conversations: () => Conversations
}

/** contacts.* over the conversations. */
export function contactsApi(ports: ContactsPorts): NodeApi['contacts'] {
  const { store, idempotency } = ports
  return {
    invite: (params, ctx) =>
      idempotency.run(ctx, () => (batch) => {
        const { contact, uri } = ports.conversations().invite(batch, {
          alias: params.label,
          ttlMs: params.ttlMs ?? INVITE_TTL_MS_DEFAULT,
        })
        return () => ({
          inviteId: contact.inviteId,
          contactId: toBase64Url(contact.id),
          uri,
          expiresAt: timeText(contact.inviteExpiresAt),
        })
      }),

    inviteCancel: ({ inviteId }, ctx) =>
      idempotency.run(ctx, () => (batch) => {
        ports.conversations().cancelInvite(batch, inviteId)
        return () => ({ inviteId })
      }),

    add: (params, ctx) =>
      idempotency.run(ctx, () => (batch) => {
        const contact = ports.conversations().add(batch, params)
        return () => ({ contactId: toBase64Url(contact.id), state: contact.phase })
      }),

    async list(params) {
      const asOfSeq = store.headSeq()
      const all = ports.conversations().contacts()
      const sorted = all.toSorted((a, b) => a.createdAt - b.createdAt || compare(a.alias, b.alias))
      const from = parseCursor(params.cursor) ?? 0
      const to = from + params.limit
      return {
        items: sorted.slice(from, to).map(contactView),
        nextCursor: to < sorted.length ? cursorText(to) : null,
        asOfSeq,
      }
    },

    get: async ({ contact }) => contactView(ports.conversations().contact(contact)),

    rename: ({ contact, alias }, ctx) =>
      idempotency.run(ctx, () => (batch) => {
        const renamed = ports.conversations().rename(batch, contact, alias)
        return () => contactView(renamed)
      }),

    verify: ({ contact, safetyNumber }, ctx) =>
      idempotency.run(ctx, () => (batch) => {
        const { id, safetyNumber: own } = ports.conversations().contact(contact)
        const contactId = toBase64Url(id)
        // A digit that was left out must not look like somebody in between.
        if (own !== undefined && digitsOf(own) !== digitsOf(safetyNumber)) {
          throw new HearsayError('bad-value', 'a safety number has 60 digits: read it again', {
            field: 'safetyNumber',
          })
        }
        ports.conversations().verify(batch, contact, safetyNumber)
        return () => ({ contactId, verified: true })
      }),

    remove: ({ contact }, ctx) =>
      idempotency.run(
        ctx,
        () => (batch) => {
          const contactId = toBase64Url(ports.conversations().remove(batch, contact))
          return () => ({ contactId })
        },
        async ({ contactId }) => {
          await ports.erasure.finish(fromBase64Url(contactId))
          return { contactId }
        },
      ),
  }
}

function digitsOf(text: string): number {
  return text.replaceAll(/\D/g, '').length
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
