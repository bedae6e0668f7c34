// Slack's layout of a message, after the public description of Block Kit and mrkdwn: enough of it to see
// what a message of Tidegate looks like.

const DATE = /<!date\^(\d+)\^([^|>]*)\|([^>]*)>/g;

/** @param {any[]} messages the bodies that a webhook gets */
export function slackPage(messages) {
  return `<!doctype html><meta charset="utf-8"><style>
    body { margin: 0; padding: 8px 20px; font: 15px/22px Lato, 'Helvetica Neue', Arial, sans-serif; color: #1d1c1d; background: #fff; }
    .message { display: grid; grid-template-columns: 36px 1fr; gap: 8px; padding: 8px 0; }
    .icon { width: 36px; height: 36px; border-radius: 6px; background: #0b3d5c; color: #fff; text-align: center; line-height: 36px; font-weight: 700; }
    .name { font-weight: 900; } .app { font-size: 10px; background: #ddd; border-radius: 2px; padding: 1px 3px; margin: 0 6px; color: #555; } .time { font-size: 12px; color: #616061; }
    .header { font-size: 18px; line-height: 24px; font-weight: 900; margin: 4px 0; overflow-wrap: anywhere; }
    .attachment { display: grid; grid-template-columns: 4px 1fr; gap: 12px; margin-top: 4px; } .bar { border-radius: 8px; }
    .block { margin: 4px 0 8px; overflow-wrap: anywhere; } .fields { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 16px; }
    @media (max-width: 480px) { .fields { grid-template-columns: 1fr; } }
    .context { font-size: 13px; line-height: 18px; color: #616061; } a { color: #1264a3; text-decoration: none; }
    code { font: 12px Menlo, Consolas, monospace; color: #e01e5a; background: #f8f8f8; border: 1px solid #ddd; border-radius: 3px; padding: 2px 3px 1px; }
    pre { font: 12px/18px Menlo, Consolas, monospace; background: #f8f8f8; border: 1px solid #ddd; border-radius: 4px; padding: 8px; margin: 4px 0; white-space: pre-wrap; overflow-wrap: anywhere; }
    blockquote { border-left: 4px solid #ddd; margin: 0; padding-left: 12px; }
  </style>${messages.map(message).join('')}`;
}

/** @param {any} body */
function message(body) {
  const attachments = body.attachments.map(
    (/** @type {any} */ { color, blocks }) =>
      `<div class="attachment"><div class="bar" style="background:${color}"></div><div>${blocks.map(block).join('')}</div></div>`,
  );
  return `<div class="message"><div class="icon">T</div><div><span class="name">Tidegate</span><span class="app">APP</span><span class="time">3:12 AM</span>
    ${body.blocks.map(block).join('')}${attachments.join('')}</div></div>`;
}

/** @param {any} one */
function block(one) {
  if (one.type === 'header')
    return `<div class="header">${one.text.text.replace(/&/g, '&amp;').replace(/</g, '&lt;')}</div>`;
  if (one.type === 'context')
    return `<div class="block context">${one.elements.map((/** @type {any} */ e) => mrkdwn(e.text)).join(' ')}</div>`;
  const fields = one.fields?.map((/** @type {any} */ field) => `<div>${mrkdwn(field.text)}</div>`).join('');
  return fields ? `<div class="block fields">${fields}</div>` : `<div class="block">${mrkdwn(one.text.text)}</div>`;
}

/** @param {string} text as it is sent: `&`, `<` and `>` of the text itself are escaped already */
function mrkdwn(text) {
  const quoted = text
    .replace(
      /(^|\n)>([^\n]*(?:\n>[^\n]*)*)/g,
      (_, before, lines) => `${before}<blockquote>${lines.replace(/\n>/g, '\n')}</blockquote>`,
    )
    .replace(/```([^`]*)```/g, '<pre>$1</pre>');
  return quoted
    .replace(DATE, (_, seconds) =>
      new Date(seconds * 1000).toLocaleString('en-US', {
        dateStyle: 'medium',
        timeStyle: 'medium',
        timeZone: 'Europe/Berlin',
      }),
    )
    .replace(/<(https?:[^|>]*)\|([^>]*)>/g, '<a href="$1">$2</a>')
    .replace(/`([^`\n]+)`/g, '<code>$1</code>')
    .replace(/(^|[\s>])\*([^*\n]+)\*(?=[\s<.,:]|$)/g, '$1<b>$2</b>')
    .replace(/\n/g, '<br>');
}
