/* Links out of the page. Airflow's frame may neither navigate the window around it nor open another;
   a link of that window's own document may. */

export function followLinks() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-airflow], a[target=_blank]");
    const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (link && plain && window.parent !== window && follow(link)) {
      event.preventDefault();
    }
  });
}

function follow({ href, target, rel }) {
  try {
    const around = window.parent.document;
    const link = around.createElement("a");
    Object.assign(link, { href, target, rel, hidden: true });
    around.body.append(link);
    link.click();
    link.remove();
    return true;
  } catch {
    return false; // framed by another origin: the link opens in the frame
  }
}
