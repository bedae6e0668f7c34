// Templates: `{{name}}` is text, `{{{name}}}` is HTML. A name without a value is an error.
const SPECIAL = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export const escapeHtml = (text) => String(text).replace(/[&<>"]/g, (c) => SPECIAL[c]);

export function render(template, values) {
  return template.replace(/\{\{\{(\w+)\}\}\}|\{\{(\w+)\}\}/g, (_, html, text) => {
    const value = values[html ?? text];
    if (value === undefined) throw new Error(`no value for ${html ?? text}`);
    return html ? value : escapeHtml(value);
  });
}
