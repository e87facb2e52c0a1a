/* Links to Airflow's own pages. Its frame holds us: they open in the window around it. */

export function followLinks() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-airflow]");
    const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (link && plain && window.parent !== window && open(link.href)) {
      event.preventDefault();
    }
  });
}

/** Open an address of Airflow's: around the frame where there is one, else here. */
export function goTo(href) {
  if (window.parent === window || !open(href)) {
    window.location.assign(href);
  }
}

/* The frame may not navigate its parent; a link of the parent's own document may. */
function open(href) {
  try {
    const around = window.parent.document;
    const link = around.createElement("a");
    link.href = href;
    link.hidden = true;
    around.body.append(link);
    link.click();
    link.remove();
    return true;
  } catch {
    return false; // framed by another origin: the link opens in the frame
  }
}
