import { describeStoreContract } from '../../support/store-contract.ts'
import { levelHome, memoryHome } from '../../support/store-homes.ts'

describeStoreContract('LevelDB', levelHome)
describeStoreContract('memory', memoryHome)
