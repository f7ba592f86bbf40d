// Starts GraphiQL with this tab's key: from the link that brought us here, from an earlier visit, from another open
// tab, or from what the user pastes. The key lives in sessionStorage, so it goes when the tab does.
const KEY = 'batchyard.key';
const channel = new BroadcastChannel(KEY);

const token = new URLSearchParams(location.hash.slice(1)).get('token');
let notice = 'Open the link that the service printed when it started, or paste an API key.';
if (token) {
  // Before anything else, so that the token is neither bookmarked nor shared.
  history.replaceState(null, '', location.pathname + location.search);
  const response = await fetch('/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  });
  const answer = await response.json();
  if (response.ok) sessionStorage.setItem(KEY, answer.key);
  else notice = answer.errors[0].message;
}
if (!sessionStorage.getItem(KEY)) {
  const shared = await askOtherTabs();
  if (shared) sessionStorage.setItem(KEY, shared);
}
if (sessionStorage.getItem(KEY) && !(await isValid(sessionStorage.getItem(KEY)))) {
  sessionStorage.removeItem(KEY);
  notice = 'The key of this tab is no longer valid. Paste another, or start the service anew for a fresh link.';
}
const key = sessionStorage.getItem(KEY);
channel.addEventListener('message', ({ data }) => {
  const own = sessionStorage.getItem(KEY);
  if (data === 'ask' && own) channel.postMessage({ key: own });
});
if (!key) askUser();

const authorization = key ? { Authorization: `Bearer ${key}` } : {};
self.MonacoEnvironment = { globalAPI: false, getWorkerUrl: (_id, label) => `/graphiql/${label}.js` };
self.YogaGraphiQL.renderYogaGraphiQL(document.querySelector('#root'), {
  endpoint: '/graphql',
  title: 'Batchyard',
  defaultTabs: await (await fetch('/graphiql/tabs.json')).json(),
  subscriptionsProtocol: 'WS',
  additionalHeaders: authorization,
  connectionParams: authorization,
  shouldPersistHeaders: false,
  defaultEditorToolsVisibility: 'variables',
});

async function isValid(candidate) {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${candidate}` },
    body: JSON.stringify({ query: '{ __typename }' }),
  });
  return response.status !== 401;
}

function askOtherTabs() {
  return new Promise((resolve) => {
    const answered = ({ data }) => data.key && done(data.key);
    const timer = setTimeout(() => done(null), 300);
    const done = (found) => {
      clearTimeout(timer);
      channel.removeEventListener('message', answered);
      resolve(found);
    };
    channel.addEventListener('message', answered);
    channel.postMessage('ask');
  });
}

function askUser() {
  const bar = document.createElement('div');
  const input = document.createElement('input');
  const button = document.createElement('button');
  bar.id = 'notice';
  input.type = 'password';
  input.placeholder = 'API key';
  input.ariaLabel = 'API key';
  button.textContent = 'Use this key';
  button.onclick = () => {
    if (!input.value.trim()) return;
    sessionStorage.setItem(KEY, input.value.trim());
    location.reload();
  };
  bar.append(notice, input, button);
  document.body.prepend(bar);
}
