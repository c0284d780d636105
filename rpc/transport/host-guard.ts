/** Which names and pages may reach the port. A browser on this machine is the attacker. */
export interface HostRules {
  /** Lower-case host names without port, IPv6 in brackets. */
  readonly hosts: ReadonlySet<string>
  readonly port: number
  /** Serialized origins, for example `http://localhost:7766`. */
  readonly origins: ReadonlySet<string>
}

export const LOOPBACK_HOSTS = ['127.0.0.1', '[::1]', 'localhost'] as const

/**
 * Whether the Host header names this server. A page whose domain was rebound to 127.0.0.1 sends its own
 * domain here.
 */
export function hostAllowed(host: string | undefined, rules: HostRules): boolean {
  if (host === undefined) return false
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::(\d{1,5}))?$/.exec(host.toLowerCase())
  if (match === null) return false
  const [, name = '', port = '80'] = match
  return rules.hosts.has(name) && Number(port) === rules.port
}

/** Whether the page that asks, if it is a page, is allowed. Other clients send no Origin. */
export function originAllowed(origin: string | undefined, rules: HostRules): boolean {
  return origin === undefined || rules.origins.has(origin)
}

/** `application/json`, with nothing but a UTF-8 charset: a form or a script tag cannot send it. */
export function isJsonContent(type: string | undefined): boolean {
  return type !== undefined && /^application\/json(\s*;\s*charset="?utf-8"?)?$/i.test(type.trim())
}
