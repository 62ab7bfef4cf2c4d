// What takes longer to read than a page may is put in place of the link that leads to it.
for (const place of document.querySelectorAll("[data-part]")) {
  const link = place.querySelector("a");
  fetch(link.href)
    .then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)))
    .then((text) => {
      const page = new DOMParser().parseFromString(text, "text/html");
      place.replaceChildren(...page.getElementById(place.dataset.part).children);
    })
    .catch(() => {}); // the link is still there
}
