document.querySelector('#app').textContent = 'Tidegate';
