/** The same as `abort-clock`, in the service's own thread. */
import abortClock from './abort-clock.ts';

export default { ...abortClock, threaded: false };
