import { equalBytes, type NodeId, toHex } from '../base/index.ts'

/**
 * The nodes to which a link has to stand: everybody writes to the first layer, and as a keeper answers the last;
 * a mix writes to the layer behind it; a mix of the last layer to the first (replies begin there) and to everybody
 * (replies end there, and keepers are asked). `sets` are the layers of the running and the coming epoch.
 */
export function linksOf(
  sets: readonly (readonly (readonly NodeId[])[])[],
  { self, everybody }: { readonly self: NodeId; readonly everybody: readonly NodeId[] },
): NodeId[] {
  const wanted = new Map<string, NodeId>()
  const want = (nodes: readonly NodeId[] = []): void => {
    for (const node of nodes) wanted.set(toHex(node), node)
  }
  for (const layers of sets) {
    want(layers[0])
    want(layers.at(-1))
    for (const [index, layer] of layers.entries()) {
      if (!layer.some((node) => equalBytes(node, self))) continue
      want(index === layers.length - 1 ? everybody : layers[index + 1])
    }
  }
  wanted.delete(toHex(self))
  return [...wanted.values()]
}
