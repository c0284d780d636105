import { z } from 'zod'
import { mutation, query } from './define.ts'
import { CONTACT, CONTACT_VIEW, INVITE, INVITE_URI, LATER, SAFETY } from './examples.ts'
import { alias, contact, duration, id, label, listing, page, time, uri } from './shapes.ts'
import { contactShape, contactState, contactView } from './views.ts'

export const contactsMethods = [
  mutation({
    name: 'contacts.invite',
    summary: 'A one-time invitation; hand its URI over a channel that you trust.',
    params: { label: label.max(64).exactOptional(), ttl: duration.exactOptional() },
    result: { inviteId: id, contactId: id, uri: z.string(), expiresAt: time },
    errors: ['NOT_JOINED', 'CONTACT_EXISTS', 'QUOTA'],
    scope: 'contacts',
    example: {
      params: { label: 'bob', ttl: '24h' },
      result: { inviteId: INVITE, contactId: CONTACT, uri: INVITE_URI, expiresAt: LATER },
    },
  }),
  mutation({
    name: 'contacts.inviteCancel',
    summary: 'Takes back an invitation that nobody has completed.',
    params: { inviteId: id },
    result: { inviteId: id },
    errors: ['NOT_JOINED', 'NOT_FOUND', 'INVITE_USED'],
    scope: 'contacts',
    example: { params: { inviteId: INVITE }, result: { inviteId: INVITE } },
  }),
  mutation({
    name: 'contacts.add',
    summary:
      'Accepts an invitation. The key exchange goes on in the background: `contact.*` events.',
    params: { uri, alias },
    result: { contactId: id, state: contactState },
    errors: [
      'NOT_JOINED',
      'INVITE_INVALID',
      'INVITE_EXPIRED',
      'INVITE_USED',
      'NETWORK_MISMATCH',
      'CONTACT_EXISTS',
      'QUOTA',
    ],
    scope: 'contacts',
    example: {
      params: { uri: INVITE_URI, alias: 'alice' },
      result: { contactId: CONTACT, state: 'exchanging' },
    },
  }),
  query({
    name: 'contacts.list',
    summary: 'All contacts, pending ones too.',
    params: page,
    result: listing(contactView),
    errors: ['NOT_JOINED', 'NOT_READY'],
    scope: 'contacts',
    example: { params: {}, result: { items: [CONTACT_VIEW], nextCursor: null, asOfSeq: 42 } },
  }),
  query({
    name: 'contacts.get',
    summary: 'One contact.',
    params: { contact },
    result: contactView,
    errors: ['CONTACT_NOT_FOUND', 'NOT_JOINED', 'NOT_READY'],
    scope: 'contacts',
    example: { params: { contact: 'bob' }, result: CONTACT_VIEW },
  }),
  mutation({
    name: 'contacts.rename',
    summary: 'Gives a contact another name. Only this home knows it.',
    params: { contact, alias },
    result: contactShape,
    errors: ['NOT_JOINED', 'CONTACT_NOT_FOUND', 'CONTACT_EXISTS'],
    scope: 'contacts',
    example: {
      params: { contact: 'bob', alias: 'robert' },
      result: { ...CONTACT_VIEW, alias: 'robert' },
    },
  }),
  mutation({
    name: 'contacts.verify',
    summary:
      'Marks the contact verified if the safety number that the other side reads out is equal.',
    params: {
      contact,
      safetyNumber: z
        .string()
        .min(60)
        .max(120)
        .regex(/^[0-9 ]+$/)
        .describe('60 digits, blanks do not count'),
    },
    result: { contactId: id, verified: z.boolean() },
    errors: ['NOT_JOINED', 'CONTACT_NOT_FOUND', 'CONTACT_NOT_READY', 'IDENTITY_CHANGED'],
    scope: 'contacts',
    example: {
      params: { contact: 'bob', safetyNumber: SAFETY },
      result: { contactId: CONTACT, verified: true },
    },
  }),
  mutation({
    name: 'contacts.remove',
    summary: 'Deletes the contact with its keys and history, and compacts the store.',
    params: { contact },
    result: { contactId: id },
    errors: ['NOT_JOINED', 'CONTACT_NOT_FOUND'],
    scope: 'contacts',
    example: { params: { contact: CONTACT }, result: { contactId: CONTACT } },
  }),
] as const
