new EventSource("api/events").onmessage = (event) => {
  document.querySelector("#state").textContent = JSON.stringify(JSON.parse(event.data), null, 2);
};
