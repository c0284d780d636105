/**
 * `AbortSignal.any` of Node keeps every combined signal that somebody listens to until one of its sources aborts. A
 * machine that is switched off aborts nothing, and each would stay in memory for as long as the process. This one
 * keeps nothing. For the whole process; it cannot be taken back.
 */
export function usePlainSignals(): void {
  AbortSignal.any = (sources) => {
    const all = [...sources]
    const controller = new AbortController()
    const follow = (): void => {
      for (const source of all) source.removeEventListener('abort', follow)
      controller.abort(all.find(({ aborted }) => aborted)?.reason)
    }
    if (all.some(({ aborted }) => aborted)) follow()
    else for (const source of all) source.addEventListener('abort', follow)
    return controller.signal
  }
}
