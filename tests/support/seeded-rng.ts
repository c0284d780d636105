export { seededRng } from '../../daemon/testnet/seeded-rng.ts'
