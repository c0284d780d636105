import { describe, expect, it } from 'vitest'
import { EXIT } from '../../../daemon/exit-codes.ts'
import { parseNodes, parsePartition } from '../../../daemon/testnet/index.ts'

/** Who reaches whom after the partition: a line per node. */
function reach(words: readonly string[], count: number): string[] {
  const cut = new Set(parsePartition(words, count).map(String))
  return Array.from({ length: count }, (_, from) =>
    Array.from({ length: count }, (_unused, to) =>
      cut.has(String([from, to])) ? '.' : String(to),
    ).join(''),
  )
}

describe('a partition', () => {
  it('cuts both directions between groups and nothing within them', () => {
    expect(reach(['0,1|2,3'], 4)).toEqual(['01..', '01..', '..23', '..23'])
    expect(reach(['0|1|2'], 3)).toEqual(['0..', '.1.', '..2'])
  })

  it('takes ranges, and * for the nodes that are not named', () => {
    expect(parsePartition(['0-2|*'], 6)).toEqual(parsePartition(['0,1,2|3,4,5'], 6))
    expect(parsePartition(['*|1,3-4'], 6)).toEqual(parsePartition(['0,2,5|1,3,4'], 6))
  })

  it('halves an odd number of nodes as well as it can', () => {
    expect(reach(['halves'], 5)).toEqual(['012..', '012..', '012..', '...34', '...34'])
  })

  it('isolates one node from all others', () => {
    expect(reach(['isolate', '1'], 3)).toEqual(['0.2', '.1.', '0.2'])
  })

  it('leaves each node of a ring the two beside it', () => {
    expect(reach(['ring'], 5)).toEqual(['01..4', '012..', '.123.', '..234', '0..34'])
    expect(parsePartition(['ring'], 3)).toEqual([])
  })

  it('cuts one direction only when it is one-way', () => {
    expect(reach(['one-way', '0>1,2'], 3)).toEqual(['0..', '012', '012'])
    expect(reach(['one-way', '1>*'], 3)).toEqual(['012', '.1.', '012'])
  })

  it.each([
    [[]],
    [['']],
    [['0,1']],
    [['0|1']],
    [['0,1|1,2']],
    [['0,1|2,3']],
    [['0|*|*']],
    [['0,1,2|*']],
    [['0-|*']],
    [['2-0|*']],
    [['0, 1|2']],
    [['-1|*']],
    [['isolate']],
    [['isolate', '3']],
    [['isolate', '0', '1']],
    [['one-way', '0|1']],
    [['one-way', '0>1>2']],
    [['one-way', '0>0']],
    [['halves', '0']],
    [['quarters']],
  ])('is refused when it is not clear what it cuts among three nodes: %j', (words) => {
    expect(() => parsePartition(words, 3)).toThrow(
      expect.objectContaining({ exitCode: EXIT.usage }),
    )
  })

  it('does not fill memory for a range that no testnet has', () => {
    expect(() => parseNodes('0-4000000000', 3)).toThrow('there is no node 4000000000')
  })
})
