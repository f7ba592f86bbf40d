/**
 * The service cannot do its work at the moment, and no caller is to blame: its database cannot be reached.
 *
 * What was asked for may have been done, and only the answer be lost.
 */
export class ServiceUnavailableError extends Error {
  readonly code = 'SERVICE_UNAVAILABLE';
  constructor(cause: unknown) {
    super('The database cannot be reached at the moment. What was asked for may have been done; try again.', { cause });
    this.name = 'ServiceUnavailableError';
  }
}
