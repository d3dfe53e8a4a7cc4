// A statement's file is read here and stands in the form as text: so the form is sent as every other. Without a script it is pasted.
"use strict";
(function () {
  var file = document.getElementById("statement-file");
  var text = document.getElementById("statement-text");
  var name = document.getElementById("statement-name");
  if (!file || !text || !name || !window.FileReader) return;
  file.parentNode.hidden = false;
  file.addEventListener("change", function () {
    var chosen = file.files[0];
    if (!chosen) return;
    var reader = new FileReader();
    reader.onload = function () {
      text.value = reader.result;
      name.value = chosen.name;
    };
    reader.readAsText(chosen);
  });
})();
