// Throws where nobody catches it, once the page is loaded: scripts that wait for errors are there by then.
addEventListener('load', () => {
  setTimeout(() => {
    throw new Error('failed on purpose');
  });
});
