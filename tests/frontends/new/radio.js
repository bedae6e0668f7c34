/** Sends the form's message over a WebSocket and lists what comes back. */
export function connect(form, log) {
  const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/ws`);
  socket.addEventListener('message', ({ data }) => {
    const { side, text } = JSON.parse(data);
    const line = document.createElement('li');
    line.dataset.side = side;
    line.textContent = `${side}: ${text}`;
    log.append(line);
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (socket.readyState === WebSocket.OPEN) socket.send(form.elements.message.value);
  });
}
