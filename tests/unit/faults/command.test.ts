import { describe, expect, it } from 'vitest'
import { extentOf, extentText } from '../../faults/command.ts'

describe('the extent of a run', () => {
  it.each([
    ['npm run faults -- P --keep', 'P'],
    ['npm run faults -- ', 'P'],
    ['npm run faults -- N --row R6 --row R7 --seed 4 --keep', 'N'],
    ['npm run faults -- N --row R7 --nodes 10 --minutes 2 --keep', 'N --minutes 2 --nodes 10'],
    ['npm run faults -- N --minutes=2 --nodes=10 --row=R7', 'N --minutes 2 --nodes 10'],
    ['npm run faults -- P --times 5', 'P --times 5'],
    [
      'npm run faults -- N --param slotMs=100 --param boxRate=9 --preset lab --rate 4',
      'N --param boxRate=9 --param slotMs=100 --preset lab --rate 4',
    ],
  ])('%s', (command, extent) => {
    expect(extentText(command)).toBe(extent)
  })

  it('has the numbers that decide how long it takes', () => {
    const command = 'npm run faults -- N --row R12 --minutes 20 --nodes 30 --rate 5 --keep'
    expect(extentOf(command)).toEqual({ tier: 'N', minutes: 20, nodes: 30 })
    expect(extentOf('npm run faults -- P --times 7')).toEqual({ tier: 'P', times: 7 })
  })
})
