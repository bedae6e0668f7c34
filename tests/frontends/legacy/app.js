(function () {
  var root = document.documentElement;
  root.dataset.script = 'legacy';

  function each(selector, visit) {
    Array.prototype.forEach.call(document.querySelectorAll(selector), visit);
  }

  function cookie(name) {
    var match = new RegExp('(?:^|; )' + name + '=([^;]*)').exec(document.cookie);
    return match ? match[1] : '';
  }

  function showCookies() {
    var count = (cookie('cart').match(/\d+(?=_|$)/g) || []).reduce(function (sum, n) {
      return sum + Number(n);
    }, 0);
    each('[data-cart-count]', function (element) {
      element.textContent = count;
    });
    each('[data-visits]', function (element) {
      element.textContent = cookie('visits') || 1;
    });
  }

  function showStock() {
    var request = new XMLHttpRequest();
    request.open('GET', '/api/stock');
    request.onload = function () {
      var stock = JSON.parse(request.responseText);
      root.dataset.api = stock.side;
      each('[data-stock]', function (element) {
        element.textContent = stock.items[element.dataset.stock] + ' in stock';
      });
    };
    request.send();
  }

  function connectRadio(form) {
    var log = document.getElementById('radio-log');
    var socket = new WebSocket(location.origin.replace(/^http/, 'ws') + '/ws');
    socket.onmessage = function (event) {
      var heard = JSON.parse(event.data);
      var line = document.createElement('li');
      line.dataset.side = heard.side;
      line.textContent = heard.side + ': ' + heard.text;
      log.appendChild(line);
    };
    form.addEventListener('submit', function (event) {
      event.preventDefault();
      if (socket.readyState === WebSocket.OPEN) socket.send(form.elements.message.value);
    });
  }

  document.getElementById('show-tides').addEventListener('click', function () {
    import('./tides.js').then(function (tides) {
      tides.show(document.getElementById('tides'));
    });
  });
  showCookies();
  if (document.querySelector('[data-stock]')) showStock();
  var radio = document.getElementById('radio');
  if (radio) connectRadio(radio);
})();
