import type { Handler } from '../server/method.ts'
import type { MethodName } from '../schema/registry.ts'
import { configGet } from './config.get.ts'
import { configReload } from './config.reload.ts'
import { configSet } from './config.set.ts'
import { contactsAdd } from './contacts.add.ts'
import { contactsGet } from './contacts.get.ts'
import { contactsInvite } from './contacts.invite.ts'
import { contactsInviteCancel } from './contacts.inviteCancel.ts'
import { contactsList } from './contacts.list.ts'
import { contactsRemove } from './contacts.remove.ts'
import { contactsRename } from './contacts.rename.ts'
import { contactsVerify } from './contacts.verify.ts'
import { dbBackup } from './db.backup.ts'
import { dbCheck } from './db.check.ts'
import { dbStats } from './db.stats.ts'
import { eventsAck } from './events.ack.ts'
import { eventsConsumersCreate } from './events.consumers.create.ts'
import { eventsConsumersDelete } from './events.consumers.delete.ts'
import { eventsConsumersList } from './events.consumers.list.ts'
import { eventsList } from './events.list.ts'
import { eventsSubscribe } from './events.subscribe.ts'
import { eventsUnsubscribe } from './events.unsubscribe.ts'
import { eventsWait } from './events.wait.ts'
import { hooksAck } from './hooks.ack.ts'
import { identityGet } from './identity.get.ts'
import { messagesCancel } from './messages.cancel.ts'
import { messagesGet } from './messages.get.ts'
import { messagesList } from './messages.list.ts'
import { messagesMarkRead } from './messages.markRead.ts'
import { messagesSend } from './messages.send.ts'
import { messagesWait } from './messages.wait.ts'
import { networkCreate } from './network.create.ts'
import { networkGet } from './network.get.ts'
import { networkInspect } from './network.inspect.ts'
import { networkInvite } from './network.invite.ts'
import { networkJoin } from './network.join.ts'
import { networkLeave } from './network.leave.ts'
import { nodeDoctor } from './node.doctor.ts'
import { nodeStatus } from './node.status.ts'
import { nodeStop } from './node.stop.ts'
import { nodeWait } from './node.wait.ts'
import { outboxList } from './outbox.list.ts'
import { peersBan } from './peers.ban.ts'
import { peersList } from './peers.list.ts'
import { rpcDiscover } from './rpc.discover.ts'
import { rpcPing } from './rpc.ping.ts'
import { rpcVersion } from './rpc.version.ts'

/** The handler of every method; the compiler insists that none is missing. */
export const HANDLERS: { readonly [Name in MethodName]: Handler<Name> } = {
  'config.get': configGet,
  'config.reload': configReload,
  'config.set': configSet,
  'contacts.add': contactsAdd,
  'contacts.get': contactsGet,
  'contacts.invite': contactsInvite,
  'contacts.inviteCancel': contactsInviteCancel,
  'contacts.list': contactsList,
  'contacts.remove': contactsRemove,
  'contacts.rename': contactsRename,
  'contacts.verify': contactsVerify,
  'db.backup': dbBackup,
  'db.check': dbCheck,
  'db.stats': dbStats,
  'events.ack': eventsAck,
  'events.consumers.create': eventsConsumersCreate,
  'events.consumers.delete': eventsConsumersDelete,
  'events.consumers.list': eventsConsumersList,
  'events.list': eventsList,
  'events.subscribe': eventsSubscribe,
  'events.unsubscribe': eventsUnsubscribe,
  'events.wait': eventsWait,
  'hooks.ack': hooksAck,
  'identity.get': identityGet,
  'messages.cancel': messagesCancel,
  'messages.get': messagesGet,
  'messages.list': messagesList,
  'messages.markRead': messagesMarkRead,
  'messages.send': messagesSend,
  'messages.wait': messagesWait,
  'network.create': networkCreate,
  'network.get': networkGet,
  'network.inspect': networkInspect,
  'network.invite': networkInvite,
  'network.join': networkJoin,
  'network.leave': networkLeave,
  'node.doctor': nodeDoctor,
  'node.status': nodeStatus,
  'node.stop': nodeStop,
  'node.wait': nodeWait,
  'outbox.list': outboxList,
  'peers.ban': peersBan,
  'peers.list': peersList,
  'rpc.discover': rpcDiscover,
  'rpc.ping': rpcPing,
  'rpc.version': rpcVersion,
}
