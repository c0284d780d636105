import type { NetworkParameters } from '../directory/index.ts'
import {
  ASSUMED_CORRUPT,
  type MixStatus,
  type PrivacyRow,
  type Protection,
  protectionOf,
} from '../mix/index.ts'
import type { NodeStatus } from './api.ts'

/** Below this no route hides anybody, whatever the layers are (design §5). */
export const NODES_FOR_A_CLAIM = 20

export interface MixingInput {
  readonly parameters: NetworkParameters
  /** Nodes that the epoch counts on. */
  readonly nodes: number
  readonly mix: MixStatus
  readonly publishEvery: number
  readonly boxesPerSecond: number
  readonly rejoinHoldLeftMs: number
}

/** What the mixing is worth at this moment: numbers from the simulator, or that there are none. */
export function mixingStatus(
  table: readonly PrivacyRow[],
  input: MixingInput,
): NodeStatus['mixing'] {
  const { parameters, nodes, mix } = input
  const protection = protectionOf(table, { preset: parameters.preset, nodes })
  return {
    form: 'routed',
    layers: parameters.layers,
    mixes: new Set(mix.mixes).size,
    smallestLayer: mix.layers.length === 0 ? 0 : Math.min(...mix.layers),
    isMix: mix.isMix,
    poolPerMix: Math.round(mix.poolPerMix * 10) / 10,
    replyRate: mix.replyRate ?? null,
    cover: mix.state === 'on' ? 'on' : mix.state === 'no-route' ? 'off' : 'cover-only',
    slotMs: parameters.slotMs,
    publishEvery: input.publishEvery,
    copies: parameters.copies,
    boxesPerSecond: input.boxesPerSecond,
    rejoinHoldLeftMs: Math.ceil(input.rejoinHoldLeftMs),
    anonymitySet: protection === undefined ? null : Math.floor(protection.anonymitySet * 10) / 10,
    protectedMessages: protection?.protectedMessages ?? null,
    protectedDays: protection?.protectedDays ?? null,
    statement: statement(input, protection),
  }
}

/** With fewer, an eighth of hostile mixes is too often a whole route. */
const LAYERS_FOR_A_CLAIM = 4

/** Before a network is entered. */
export const NO_MIXING: NodeStatus['mixing'] = {
  form: 'routed',
  layers: 0,
  mixes: 0,
  smallestLayer: 0,
  isMix: false,
  poolPerMix: 0,
  replyRate: null,
  cover: 'off',
  slotMs: 0,
  publishEvery: 0,
  copies: 0,
  boxesPerSecond: 0,
  rejoinHoldLeftMs: 0,
  anonymitySet: null,
  protectedMessages: null,
  protectedDays: null,
  statement: '',
}

function statement(
  { nodes, mix, parameters }: MixingInput,
  protection: Protection | undefined,
): string {
  if (mix.state === 'no-route') return 'No route through the mixes yet: nothing leaves this node.'
  const stopped =
    mix.state === 'few-replies'
      ? 'Too few replies return, as if somebody cut this node off to watch it: messages wait, cover goes on. '
      : ''
  if (nodes < NODES_FOR_A_CLAIM) {
    return (
      `${stopped}This network is too small: with ${nodes} nodes, whoever watches its links can tell ` +
      `who sends. Nothing is promised below ${NODES_FOR_A_CLAIM} nodes.`
    )
  }
  if (parameters.layers < LAYERS_FOR_A_CLAIM) {
    return (
      `${stopped}${parameters.layers} layers are too few for a claim: the preset is for trying out how ` +
      'many nodes behave on one machine.'
    )
  }
  if (protection === undefined) {
    return `${stopped}No simulation covers these parameters: how well they hide a sender is not known.`
  }
  const { protectedMessages, protectedDays, atLeast, simulatedNodes } = protection
  const more = atLeast ? 'more than ' : ''
  return (
    `${stopped}Whoever sees every link, runs ${100 * ASSUMED_CORRUPT} % of the mixes and knows which boxes are ` +
    `one contact’s names the sender after ${more}${protectedMessages} of them in the worst tenth of cases, ` +
    `${more}${protectedDays} days of use (simulated with ${simulatedNodes} nodes). ` +
    'That you are a node, and when you are online, is visible.'
  )
}
