document.documentElement.dataset.ready = 'yes';
// Long enough to be worth compressing, and to ask for a part of it.
window.goods = ['lamp', 'chair', 'table', 'lamp', 'chair', 'table', 'lamp', 'chair', 'table', 'lamp', 'chair', 'table'];
