// Which errors are the page's own. What others do to a page has nothing to do with a release, and may
// meet one side more than the other. Left out is
// 1. what comes from a script of an extension or of an in-app browser: the file of the event, or the first
//    one of the stack, has a scheme that no page has;
// 2. what browsers tell of scripts of other origins without CORS, and of layouts that take another frame:
//    that is nothing;
// 3. what only injected scripts and mail scanners say;
// 4. what was aborted, and requests that fail while the page is left: no browser tells these from others;
// 5. what matches `data-ignore` on the script's tag.
const FOREIGN = /^(blob:)?([\w-]*extension|webkit-masked-url|user-script|iabjs|chrome|resource|file):/i;
/** Chrome for iOS, Safari's autofill, search and chat apps, extensions that were updated, Android's and iOS's web views, Outlook's scanner. */
const INJECTED =
  /__gCrWeb|_AutofillCallback|SDKJSBridge|zaloJSV2|Extension context invalidated|runtime\.sendMessage|webkit\.messageHandlers|Java (object|exception)|Object Not Found Matching Id:/;
/** A page whose own script says such a thing means it. */
const OWN_FILE = /\.m?js\b/;
const REQUEST = /fetch|network|load failed|loading|import|abort|cancel/i;
const FRAME = /[a-z][\w-]*:(\/\/|\d)[^\s)]*/i;
/** Who is asked whether to leave may stay, and who leaves for a download does. */
const LEAVING_MS = 5_000;

let leftMs = -Infinity,
  ignored;

const leave = () => {
  leftMs = performance.now();
};
/** Firefox keeps no page in its back/forward cache that listens to this; once it is called, it no longer does. */
const listen = () =>
  addEventListener(
    'beforeunload',
    () => {
      leave();
      setTimeout(listen, LEAVING_MS);
    },
    { once: true },
  );

/** Begins to watch whether the page is left; `pattern` is what the page's author wants left out. */
export const watch = (pattern) => {
  listen();
  addEventListener('pagehide', leave);
  // What was under way when the page went into the cache fails when it comes back.
  addEventListener('pageshow', ({ persisted }) => persisted && leave());
  if (!pattern) return;
  try {
    const wanted = new RegExp(pattern);
    // That would match everything, and nobody means it.
    if (wanted.test('')) throw new Error('it matches whatever there is');
    ignored = wanted;
  } catch (error) {
    console.warn(`Tidegate: data-ignore is not used: ${error.message}`);
  }
};

/** So much of a text goes to the server, which makes a fingerprint of it and keeps nothing else. */
const TEXT_MAX = 300;
const text = (said) => `${said ?? ''}`.slice(0, TEXT_MAX);

/**
 * What an error is: its name, its message, and the line of its stack that names the first file, without what
 * follows a `?`. Nothing where not even that can be asked.
 * @param {{ message?: string, filename?: string, lineno?: number, error?: any, reason?: any }} event anything may be thrown
 */
export const described = ({ message, filename, error, reason = error }) => {
  try {
    const said = `${reason?.message ?? reason ?? message}`;
    const stack = `${reason?.stack ?? ''}`.replace(said, '').split('\n');
    const frame = stack.find((line) => FRAME.test(line)) ?? filename;
    return { name: text(reason?.name), message: text(said), frame: text(`${frame ?? ''}`.replace(/[?#][^\s):]*/, '')) };
  } catch {
    return undefined;
  }
};

/**
 * Whether an `error` or `unhandledrejection` event is of an error of the page's own.
 * @param {{ message?: string, filename?: string, lineno?: number, error?: any, reason?: any }} event anything may be thrown
 */
export const isOwn = ({ message = '', filename = '', lineno, error, reason = error }) => {
  try {
    const text = `${reason?.message ?? reason ?? message}`;
    // Chromium's stacks begin with the message, which may have a URL in it.
    const [frame = ''] = FRAME.exec(`${reason?.stack ?? ''}`.replace(text, '')) ?? [];
    const files = [filename, frame];
    const isNothing = /^ResizeObserver loop/.test(message) || (!filename && !lineno && /^script error/i.test(message));
    const isInjected = INJECTED.test(text) && !files.some((file) => OWN_FILE.test(file));
    const isAborted = reason?.name === 'AbortError' || (REQUEST.test(text) && performance.now() - leftMs < LEAVING_MS);
    return !(
      isNothing ||
      files.some((file) => FOREIGN.test(file)) ||
      isInjected ||
      isAborted ||
      [message, text, String(reason), ...files].some((said) => ignored?.test(said))
    );
  } catch {
    // Not even what it is can be asked.
    return true;
  }
};
