// Adaptive Cards as Microsoft's own renderer draws them, in the colours and sizes that Teams gives it.

const HOST = {
  fontFamily: "'Segoe UI', system-ui, sans-serif",
  spacing: { small: 4, default: 8, medium: 12, large: 16, extraLarge: 20, padding: 12 },
  fontSizes: { small: 12, default: 14, medium: 16, large: 18, extraLarge: 22 },
  fontTypes: {
    default: { fontFamily: "'Segoe UI', system-ui, sans-serif" },
    monospace: { fontFamily: "Consolas, 'Courier New', monospace" },
  },
  containerStyles: Object.fromEntries(
    Object.entries({
      default: '#ffffff',
      emphasis: '#f0f0f0',
      accent: '#ebf3fc',
      good: '#e7f2da',
      warning: '#fbf6d9',
      attention: '#f9d9d9',
    }).map(([style, backgroundColor]) => [
      style,
      { backgroundColor, foregroundColors: { default: { default: '#242424', subtle: '#616161' } } },
    ]),
  ),
  actions: { actionsOrientation: 'horizontal', actionAlignment: 'left', maxActions: 6 },
};

/**
 * @param {any[]} messages the bodies that a webhook gets
 * @param {string} renderer the renderer's script
 */
export function teamsPage(messages, renderer) {
  const cards = messages.map((message) => message.attachments[0].content);
  return `<!doctype html><meta charset="utf-8"><style>
    body { margin: 0; padding: 12px 20px; background: #f5f5f5; font: 14px 'Segoe UI', system-ui, sans-serif; }
    .card { background: #fff; border: 1px solid #e0e0e0; border-radius: 4px; margin: 12px 0; overflow: hidden; }
    .ac-pushButton { border: 1px solid #d1d1d1; border-radius: 4px; background: #fff; padding: 6px 12px; font: 600 14px 'Segoe UI', system-ui, sans-serif; color: #242424; }
  </style><script>${renderer}</script><body><script>
    AdaptiveCards.AdaptiveCard.onProcessMarkdown = (text, result) => { result.outputHtml = text; result.didProcess = true; };
    for (const payload of ${JSON.stringify(cards).replace(/</g, '\\u003c')}) {
      const card = new AdaptiveCards.AdaptiveCard();
      card.hostConfig = new AdaptiveCards.HostConfig(${JSON.stringify(HOST)});
      card.parse(payload);
      const frame = document.createElement('div');
      frame.className = 'card';
      frame.append(card.render());
      document.body.append(frame);
    }
  </script>`;
}
